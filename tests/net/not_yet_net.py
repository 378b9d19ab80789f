"""What the program does not do over a bad network yet, though a test stands ready: skipped, and counted."""

STATE = "the events of progress do not say waiting_network yet: they say uploading"
SILENT = ("a cable that was cut is noticed after TCP_USER_TIMEOUT, 60 s: nothing says before that no peer "
          "acknowledges anything")
PORTAL = "an answer that is not S3's is no outage yet: each request tries again by itself"

NOT_YET = {
    "test_it_says_what_it_waits_for[refused]": STATE,
    "test_it_says_what_it_waits_for[server_killed]": STATE,
    "test_it_says_what_it_waits_for[portal_page]": PORTAL,
    "test_it_says_what_it_waits_for[cut]": SILENT,
    "test_one_request_looks_for_all[portal_page]": PORTAL,
    "test_one_request_looks_for_all[portal_redirect]": PORTAL,
}

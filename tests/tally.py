"""Read JUnit files: print failures and skips, last a line "passed failed skipped"."""

import sys
import xml.etree.ElementTree as xml

passed = failed = skipped = 0
for file in sys.argv[1:]:
    try:
        cases = list(xml.parse(file).iter("testcase"))
    except (OSError, xml.ParseError) as error:
        print(f"    FAILED  {file}: {error}", file=sys.stderr)
        failed += 1
        continue
    for case in cases:
        where = case.get("classname", "").rpartition(".")[2]
        name = f"{where}: {case.get('name')}" if where else case.get("name")
        skip = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
            print(f"    FAILED  {name}", file=sys.stderr)
        elif skip is not None or case.get("status") in ("notrun", "disabled"):
            skipped += 1
            reason = skip.get("message", "") if skip is not None else case.get("status")
            print(f"    SKIPPED {name}: {reason}", file=sys.stderr)
        else:
            passed += 1
print(passed, failed, skipped)

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
        trouble = [e for e in (case.find("failure"), case.find("error")) if e is not None]
        if trouble:
            failed += 1
            why = (trouble[0].get("message") or "").partition("\n")[0]
            print(f"    FAILED  {name}: {why[:200]}", file=sys.stderr)
        elif skip is not None or case.get("status") in ("notrun", "disabled"):
            skipped += 1
            reason = skip.get("message", "") if skip is not None else case.get("status")
            print(f"    SKIPPED {name}: {reason}", file=sys.stderr)
        else:
            passed += 1
print(passed, failed, skipped)

"""The figures the issues ask for, each with its reference measured in the same run, as JSON lines (`make bench`)."""

"""The homeowner's page: a surface that reads the Worker's state and asks nobody else (ui/README.md section 1)."""

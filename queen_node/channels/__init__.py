"""Payment channels: Statements drafted in `statement`, issued and answered in `keeper`."""

"""The gateway of a Hive: takes readings, closes slots, keeps payment channels, coordinates, settles."""

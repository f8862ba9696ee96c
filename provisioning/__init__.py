"""What an installer or the demo does before and around the daemons: keys, certificates, settings, processes."""

"""What loads firewall rules at boot: found on the disk, and tried where it harms nothing."""

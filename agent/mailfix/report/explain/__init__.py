"""The way of one port's packets through the firewall: as a sentence, as a drawing, as JSON."""

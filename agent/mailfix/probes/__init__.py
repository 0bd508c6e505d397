"""One module per subject: ``read`` goes to the host, ``parse…`` turns its text into facts."""

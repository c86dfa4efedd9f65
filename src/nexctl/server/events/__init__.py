"""What leaves the gateway by itself: signed webhooks and e-mails about what has happened."""

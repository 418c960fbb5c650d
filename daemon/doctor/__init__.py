"""What `presscell doctor` looks at; it changes nothing."""

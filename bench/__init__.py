"""What is measured, how, and beside which peers: ``python -m bench --help``."""

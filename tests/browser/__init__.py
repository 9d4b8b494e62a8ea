"""The observer's page in a real browser: `make browser`. Apart from the tests, which need nothing but Python."""

"""What the tools and the end-to-end tests share: starting, watching and stopping the real parts."""

"""What is measured, under which names: the only room that imports prometheus_client."""

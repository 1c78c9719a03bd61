"""The weight-name mappings, installed as `signbart_port.mappings`."""

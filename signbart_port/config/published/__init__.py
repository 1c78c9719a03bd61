"""The published configs, by name: `lsa-64.yaml`, `wlasl-2000.yaml` and so on."""

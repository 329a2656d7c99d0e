"""What happened: rollups and dashboards."""

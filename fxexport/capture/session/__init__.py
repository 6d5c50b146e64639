"""What one capture works with: modes, who wrote what, facts, memory, findings."""

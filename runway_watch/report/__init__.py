"""What people ask from outside: how it stands, whether it can work, which job a path belongs to."""

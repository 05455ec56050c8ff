"""Who is measured. Each contestant runs in a process of its own, because each changes botocore in its own way."""

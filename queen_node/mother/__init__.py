"""A daughter Hive's side of her mother: listening to her broker, answering her rounds, booking what she charges."""

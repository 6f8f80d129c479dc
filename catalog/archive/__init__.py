"""The archive as it is: checked line by line, asked in SQL, and measured. Nothing here changes it."""

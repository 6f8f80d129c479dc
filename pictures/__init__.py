"""Pictures for the documents, drawn from what is deployed or recorded from what runs (`make pictures`)."""

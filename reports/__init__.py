"""A plain ReportData in, PDF bytes out. Knows nothing of models, chats or databases."""

"""The web page that the private listener serves to browsers. No order depends on it."""

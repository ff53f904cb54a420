"""Pure rules: values in, values out. Imports only the model."""

"""The catalog: resources as data, and the tables that follow from them."""

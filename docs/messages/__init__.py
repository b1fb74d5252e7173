"""The page of all errors, made from the places in the code that raise them and from the tests."""

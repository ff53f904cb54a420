"""From the text of a request to an ``Alert``: JSON body, other products' formats, single fields."""

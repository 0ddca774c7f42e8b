"""How the stored games were made: each module gives the recipes of one kind of game.

Nothing here is imported with the package: making a game again needs libraries that using one
does not.
"""

"""Rules as they were: they decide again what locks made with them record."""

"""Which isolation to choose: search of protocols, how likely each meets a target, transfer between rotors."""

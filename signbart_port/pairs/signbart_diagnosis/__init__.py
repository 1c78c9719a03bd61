"""The cause of a failed proof of SignBART: the mistake that gives the numbers that were found."""

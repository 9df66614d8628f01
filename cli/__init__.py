"""The command line ``ringmatch``: what people and scripts see. Data on stdout, talk on stderr."""

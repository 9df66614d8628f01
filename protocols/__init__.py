"""What a message is: command and outcome slots, codes, codecs of files and wires."""

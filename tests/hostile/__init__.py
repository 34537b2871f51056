"""A folder that many people can write to: every threat that is known of, and that it comes to nothing.

threat                                                  where it is tested
a way out, by name or by a link                         folder, planted
a hard link to a secret                                 folder
a pipe, a socket, a device                              folder
a file that is swapped between its check and its use    swapped
a TOML bomb                                             folder
an image bomb, an exotic decoder                        folder, decoders
a name that forges what people read                     folder, commands
the key sent elsewhere, or written into a log           elsewhere; tests/test_secrets.py, tests/test_log.py
an output that is not what it says                      outputs
something planted under a name of ours                  folder, planted
spending                                                folder, spending
flooding, and folders without end                       flood, folder
a folder that is closed to us                           closed

`folder.py` has one folder with everything at once, and `watching.py` sees to it that nothing else was opened.
"""

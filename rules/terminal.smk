"""What stands on the terminal when a run ends. No rules here.

Needs the logs of the jobs. Makes no file: it prints what they noted for the user.
"""


onsuccess:
    notes.show("results/logs", config["run"])


onerror:
    notes.show("results/logs", config["run"])

"""What can keep the local stack from running. Every message is for the person at the terminal.

LocalStackError
├── EmulatorMissingError      an emulator or Java is not here: one line says how to get it; the embedded form needs none
│   └── DownloadError         it could not be had from the network; the cache is as it was
├── PortTakenError            somebody listens there already: stop it or choose another port
├── ProcessStartError         the program or its folder is missing
├── ProcessDiedError          it ended before it was ready; the message ends with the last lines of its log
├── ProcessNotReadyError      it ran, but never answered in time; it has been stopped
└── EmulatorRequestError      a running emulator refused a request of the stack itself, such as a wipe
"""


class LocalStackError(Exception):
    """Root: the stack, or one part of it, cannot go on."""


class EmulatorMissingError(LocalStackError):
    """An emulator or Java is not on this machine."""


class DownloadError(EmulatorMissingError):
    """The pinned file could not be downloaded, or is not what was pinned."""


class PortTakenError(LocalStackError):
    """Another program listens on the port."""


class ProcessStartError(LocalStackError):
    """The program could not be started at all."""


class ProcessDiedError(LocalStackError):
    """The program ended before it was ready."""


class ProcessNotReadyError(LocalStackError):
    """The program did not answer before the deadline."""


class EmulatorRequestError(LocalStackError):
    """A running emulator refused, or did not answer, a request of the stack itself."""

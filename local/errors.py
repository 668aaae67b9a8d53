"""What can keep the local stack from running. Every message is for the person at the terminal.

LocalStackError
├── EmulatorMissingError      an emulator or Java is not here: one line says how to get it; the embedded form needs none
│   └── DownloadError         it could not be had from the network; the cache is as it was
├── PortTakenError            somebody listens there already: stop it or choose another port
├── DataFolderInUseError      another storage emulator has the folder
├── ImageBuildError           the worker's image can't be built here: a program is missing, or failed
├── PageLeftOutError          the page can't be built here; the rest of the system does without
│   └── PageBrokenError       … since it has a fault
├── SigningKeyError           the file holds no key that signs
└── ProcessFailedError        a program did not start, ended early or was never ready; with the last lines of its log
"""


class LocalStackError(Exception):
    """Root: the stack, or one part of it, cannot go on."""


class EmulatorMissingError(LocalStackError):
    """An emulator or Java is not on this machine."""


class DownloadError(EmulatorMissingError):
    """The pinned file could not be downloaded, or is not what was pinned."""


class PageLeftOutError(LocalStackError):
    """There is no page, for a reason that one line says."""


class PageBrokenError(PageLeftOutError):
    """All is there that builds it, and it does not build: a fault of the page, so tests must not do without."""


class PortTakenError(LocalStackError):
    """Another program listens on the port."""


class ProcessFailedError(LocalStackError):
    """The program never became ready. Nothing of it is left running."""

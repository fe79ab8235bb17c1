/** The operating systems on which live response sessions run. `Session.supportedSystems` describes them. */
export const supportedSystems = [
  "Windows 11",
  "Windows 10 1909 or later",
  "Windows 10 1903 with KB4515384",
  "Windows 10 1809 with KB4537818",
  "Windows 10 1803 with KB4537795",
  "Windows 10 1709 with KB4537816",
  "Windows Server 2022 or later",
  "Windows Server 2019 (in public preview) 1903 with KB4515384, or later",
  "Windows Server 2019 (in public preview) 1809 with KB4537818",
  "Azure Stack HCI 23H2 or later",
  "macOS 11 to 13",
  "Linux",
]

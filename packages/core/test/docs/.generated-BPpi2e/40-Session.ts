// @effect-diagnostics globalConsole:off




























































import * as Session from "@live-response/core/Session"

const session = Session.Session.make({
  commands: [
    Session.PutFile.make({ fileName: "collect.exe" }),
    Session.RunScript.make({ scriptName: "collect.ps1", args: "-Quick" }),
    Session.GetFile.make({ path: "C:\\\\windows\\\\TEMP\\\\collect.zip" }),
  ],
  comment: "case 4711",
})
console.log(session.commands.length) // 3

// @effect-diagnostics globalConsole:off



















import * as TerminalText from "@live-response/core/TerminalText"

console.log(TerminalText.replaceUnsafe("red \u001b[31m", () => "?")) // red ?[31m

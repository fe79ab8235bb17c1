// @effect-diagnostics globalConsole:off









































import * as ActionFilter from "@live-response/core/ActionFilter"

console.log(ActionFilter.is("requestor", "o'brien@contoso.com").expression) // requestor eq 'o''brien@contoso.com'
console.log(ActionFilter.is("status", "Failed", "TimeOut").expression) // (status eq 'Failed' or status eq 'TimeOut')

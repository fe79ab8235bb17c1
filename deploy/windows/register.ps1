# Registers the task of live-response.task.xml for a user without other rights, in an elevated PowerShell:
#
#     .\register.ps1 -User CONTOSO\svc-live-response
#
# The sign-in comes from that user's environment (docs/sign-in.md), set once as that user, for instance with the path of a certificate:
#
#     [Environment]::SetEnvironmentVariable("AZURE_CLIENT_CERTIFICATE_PATH", "C:\...\app.pem", "User")
[CmdletBinding()]
param(
    [Parameter(Mandatory)] [string] $User,
    [string] $Directory = "$env:ProgramData\live-response"
)
Set-StrictMode -Version Latest
$ErrorActionPreference = "Stop"

# Results are evidence: nobody else on this machine may read or change them.
New-Item -ItemType Directory -Force -Path $Directory | Out-Null
icacls $Directory /inheritance:r /grant:r "${User}:(OI)(CI)F" "*S-1-5-32-544:(OI)(CI)F" "*S-1-5-18:(OI)(CI)F" | Out-Null
if ($LASTEXITCODE -ne 0) { throw "icacls could not restrict $Directory (exit code $LASTEXITCODE)." }

$credential = Get-Credential -UserName $User -Message "The password with which the task runs"
$xml = Get-Content -Raw -Path (Join-Path $PSScriptRoot "live-response.task.xml")
$xml = $xml -replace '(?<=<WorkingDirectory>)[^<]*', [Security.SecurityElement]::Escape($Directory).Replace('$', '$$')
# The cmdlet parses text that is UTF-16, and refuses another encoding in the declaration.
$xml = $xml -replace '^<\?xml[^>]*\?>', ''
Register-ScheduledTask -TaskName "live-response" -Xml $xml -User $User -Password $credential.GetNetworkCredential().Password -Force

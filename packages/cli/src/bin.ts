#!/usr/bin/env node
console.log("live-response", process.version)

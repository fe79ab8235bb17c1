/** How often a download in progress reports its progress, in milliseconds. */
export const progressInterval = 1000

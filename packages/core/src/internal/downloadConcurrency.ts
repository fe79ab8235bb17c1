/** How many results a batch downloads at once by default. */
export const downloadConcurrency = 8

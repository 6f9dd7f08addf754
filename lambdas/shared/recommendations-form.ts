/** Up to 100 artist ids, separated by commas. */
export const EXCLUDE = /^[A-Za-z0-9_-]{1,64}(,[A-Za-z0-9_-]{1,64}){0,99}$/;
/** Up to 20 genres, separated by commas; any case. */
export const GENRES = /^[^,]{1,64}(,[^,]{1,64}){0,19}$/;

/** A real city: name, ISO 3166-1 country, coordinates, and how many of the invented listeners live near it, in parts. */
export interface City {
  name: string;
  country: string;
  latitude: number;
  longitude: number;
  share: number;
}

const rows: [string, string, number, number, number][] = [
  ["New York", "US", 40.7128, -74.006, 9],
  ["Los Angeles", "US", 34.0522, -118.2437, 8],
  ["Chicago", "US", 41.8781, -87.6298, 5],
  ["Houston", "US", 29.7604, -95.3698, 4],
  ["Atlanta", "US", 33.749, -84.388, 4],
  ["Seattle", "US", 47.6062, -122.3321, 3],
  ["Denver", "US", 39.7392, -104.9903, 2],
  ["Nashville", "US", 36.1627, -86.7816, 3],
  ["San Francisco", "US", 37.7749, -122.4194, 4],
  ["London", "GB", 51.5074, -0.1278, 7],
  ["Manchester", "GB", 53.4808, -2.2426, 3],
  ["Glasgow", "GB", 55.8642, -4.2518, 2],
  ["Paris", "FR", 48.8566, 2.3522, 5],
  ["Lyon", "FR", 45.764, 4.8357, 2],
  ["Berlin", "DE", 52.52, 13.405, 5],
  ["Hamburg", "DE", 53.5511, 9.9937, 2],
  ["Munich", "DE", 48.1351, 11.582, 2],
  ["São Paulo", "BR", -23.5505, -46.6333, 6],
  ["Rio de Janeiro", "BR", -22.9068, -43.1729, 3],
  ["Tokyo", "JP", 35.6762, 139.6503, 6],
  ["Osaka", "JP", 34.6937, 135.5023, 3],
  ["Toronto", "CA", 43.6532, -79.3832, 3],
  ["Montréal", "CA", 45.5019, -73.5674, 2],
  ["Sydney", "AU", -33.8688, 151.2093, 3],
  ["Melbourne", "AU", -37.8136, 144.9631, 2],
  ["Stockholm", "SE", 59.3293, 18.0686, 3],
  ["Lagos", "NG", 6.5244, 3.3792, 3],
  ["Mumbai", "IN", 19.076, 72.8777, 4],
  ["Mexico City", "MX", 19.4326, -99.1332, 4],
  ["Madrid", "ES", 40.4168, -3.7038, 2],
];

export const cities: City[] = rows.map(([name, country, latitude, longitude, share]) => ({
  name,
  country,
  latitude,
  longitude,
  share,
}));

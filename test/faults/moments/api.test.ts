import { strikeSeries } from './strike-series.ts';

strikeSeries('api');

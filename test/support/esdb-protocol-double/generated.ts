import grpc from '@grpc/grpc-js';
import gossipService from '@eventstore/db-client/generated/gossip_grpc_pb.js';
import gossip from '@eventstore/db-client/generated/gossip_pb.js';
import featuresService from '@eventstore/db-client/generated/serverfeatures_grpc_pb.js';
import features from '@eventstore/db-client/generated/serverfeatures_pb.js';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import streamsService from '@eventstore/db-client/generated/streams_grpc_pb.js';
import streams from '@eventstore/db-client/generated/streams_pb.js';

// The client's own generated code: both ends of the wire speak the same description of the protocol.
export { features, gossip, grpc, shared, streams };
export const { StreamsService } = streamsService;
export const { ServerFeaturesService } = featuresService;
export const { GossipService } = gossipService;

// What Kafka's own authorizer answers, for authorizer.txt beside it. With Kafka's libraries at $LIBS:
//
//     java -cp "$LIBS/*" Authorizer.java > authorizer.txt
//
// Worlds are random and small, so that names, prefixes, addresses and denials meet; the seed is fixed.

import java.net.InetAddress;
import java.util.*;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.acl.*;
import org.apache.kafka.common.metrics.Metrics;
import org.apache.kafka.common.metrics.internals.PluginMetricsImpl;
import org.apache.kafka.common.resource.*;
import org.apache.kafka.common.security.auth.*;
import org.apache.kafka.metadata.authorizer.*;
import org.apache.kafka.server.authorizer.*;

public class Authorizer {
    static final Random RANDOM = new Random(7);

    static <T> T one(List<T> of) {
        return of.get(RANDOM.nextInt(of.size()));
    }

    record Context(KafkaPrincipal principal, InetAddress clientAddress) implements AuthorizableRequestContext {
        public String listenerName() { return "CLIENTS"; }
        public SecurityProtocol securityProtocol() { return SecurityProtocol.SSL; }
        public int requestType() { return 3; }
        public int requestVersion() { return 0; }
        public String clientId() { return "c"; }
        public int correlationId() { return 0; }
    }

    public static void main(String[] args) throws Exception {
        var types = List.of(ResourceType.TOPIC, ResourceType.TOPIC, ResourceType.TOPIC, ResourceType.GROUP);
        var names = List.of("a", "ab", "abc", "b", "*");
        var users = List.of("x", "y");
        var hosts = List.of("*", "*", "10.0.0.1", "0:0:0:0:0:0:0:1");
        var operations = List.of(AclOperation.ALL, AclOperation.READ, AclOperation.CREATE, AclOperation.ALTER, AclOperation.DESCRIBE,
            AclOperation.DESCRIBE, AclOperation.DESCRIBE_CONFIGS, AclOperation.ALTER_CONFIGS);
        for (int world = 0; world < 40; world++) {
            var authorizer = new StandardAuthorizer();
            authorizer.configure(Map.of("super.users", "User:root"));
            authorizer.withPluginMetrics(new PluginMetricsImpl(new Metrics(), Map.of()));
            authorizer.completeInitialLoad();
            System.out.println("world");
            var acls = new LinkedHashSet<StandardAcl>();
            int size = 6 + RANDOM.nextInt(8);
            while (acls.size() < size) {
                var user = RANDOM.nextInt(4) == 0 ? "*" : one(users);
                acls.add(new StandardAcl(one(types), one(names), RANDOM.nextInt(3) == 0 ? PatternType.PREFIXED : PatternType.LITERAL,
                    "User:" + user, one(hosts), one(operations), RANDOM.nextInt(4) == 0 ? AclPermissionType.DENY : AclPermissionType.ALLOW));
            }
            for (var acl : acls) {
                authorizer.addAcl(Uuid.randomUuid(), acl);
                System.out.println(String.join(" ", "acl", acl.resourceType().toString(), acl.patternType().toString(), acl.resourceName(),
                    acl.principal(), acl.host(), acl.operation().toString(), acl.permissionType().toString()));
            }
            for (int i = 0; i < 16; i++) {
                var user = RANDOM.nextInt(20) == 0 ? "root" : one(users);
                var host = one(List.of("10.0.0.1", "10.0.0.2", "::1"));
                var type = one(types);
                var name = one(List.of("a", "ab", "abc", "abcd", "b"));
                var operation = one(operations.subList(1, operations.size()));
                var action = new Action(operation, new ResourcePattern(type, name, PatternType.LITERAL), 1, false, false);
                var context = new Context(new KafkaPrincipal("User", user), InetAddress.getByName(host));
                var answer = authorizer.authorize(context, List.of(action)).get(0);
                System.out.println(String.join(" ", "ask", type.toString(), name, "User:" + user, host, operation.toString(), answer.toString()));
            }
        }
    }
}

// Members of CANN's graph engine that return text; here the text is empty.
#include <string>

namespace ge {

struct AscendString {
  const char *GetString() const;
  bool operator<(const AscendString &) const;
};
const char *AscendString::GetString() const { return ""; }
bool AscendString::operator<(const AscendString &other) const { return this < &other; }

struct Operator {
  std::string GetName() const;
  std::string GetOpType() const;
};
std::string Operator::GetName() const { return ""; }
std::string Operator::GetOpType() const { return ""; }

struct Graph {
  std::string GetName() const;
};
std::string Graph::GetName() const { return ""; }

struct OperatorFactory {
  static bool IsExistOp(const char *);
  static bool IsExistOp(const std::string &);
};
bool OperatorFactory::IsExistOp(const char *) { return true; }
bool OperatorFactory::IsExistOp(const std::string &) { return true; }

}  // namespace ge

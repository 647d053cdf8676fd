#pragma once
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "workspace.hpp"

namespace millrace::sandbox {

enum class Dimension { Client, Project, User, Task, Tag, Date, Week, Month, TimeEntry };

/// A filter `{ids, contains, status}` of a report, over indexes.
struct IdFilter {
    bool active = false, negated = false, only = false;
    std::set<int> ids; ///< an unknown id is -2: it matches nothing
    [[nodiscard]] bool allows(int index) const { return !active || ids.contains(index) != negated; }
};

/// The body of a report request, understood: what, when, in which zone.
class ReportQuery {
public:
    /// Throws ApiError as the service answers a body that it cannot use.
    ReportQuery(const std::string& body, const Workspace& workspace);

    Instant from = 0, to = 0;
    Zone zone;
    bool show_amounts = true;
    Order order = Order::Descending;
    std::string sort_column = "DATE";
    std::vector<Dimension> groups; ///< of a summary
    bool is_detailed = false;      ///< has a detailedFilter
    std::uint64_t page = 1, page_size = 50;
    bool with_totals = true;
    std::string fingerprint; ///< equal for queries that match the same entries in the same order
    /// Equal for queries with the same answer.
    [[nodiscard]] std::string answer_key() const;

    [[nodiscard]] bool matches(const Entry& entry, const Workspace& workspace) const;
    [[nodiscard]] bool filters() const { return filters_; }
    /// Matches all of the window, by start: a page needs no search.
    [[nodiscard]] bool is_plain() const {
        return !filters_ && (sort_column != "USER" && sort_column != "DURATION" && sort_column != "DESCRIPTION");
    }

private:
    IdFilter users_, clients_, projects_, tags_, tasks_;
    std::optional<bool> billable_;
    std::string description_;
    bool without_description_ = false;
    bool filters_ = false;
};

/// The totals of what `query` matches; remembered.
Totals totals_of(Workspace& workspace, const ReportQuery& query);
/// `[{"_id":"",...}]` of a report, or how the service writes an empty one.
void append_totals(std::string& out, const Totals& totals, const ReportQuery& query, const Company& company);
/// Minor units of `earned`, an integer or a fraction.
void append_amount(std::string& out, std::int64_t earned);
void append_amounts(std::string& out, std::int64_t earned, bool shown);

std::string detailed_report(Workspace& workspace, const ReportQuery& query);
/// `untagged_groups`: entries without a tag form a group of their own below TAG, else they are left out there.
std::string summary_report(Workspace& workspace, const ReportQuery& query, bool untagged_groups);

} // namespace millrace::sandbox
